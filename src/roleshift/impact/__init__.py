"""What a version's measured items mean for tasks and job roles: capability, tolerance, decision, role."""
