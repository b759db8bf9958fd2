"""What a version's impact on job roles is computed with: the section `impact` of params.yaml."""

from pydantic import Field

from roleshift.params.section import Section


class ImpactParams(Section):
    """What a version's impact on job roles is computed with; relative paths start at the main checkout."""

    assumptions: str | None = None
    draws: int = Field(ge=100, le=100_000)
    onet: str | None = None
    wages: str | None = None
    roles: str | None = None
    judgements: str | None = None
