from made_project import evaluated

from roleshift.registry.results import result_table


def test_the_table_shows_each_system_and_the_paired_difference():
    lines = result_table(evaluated()).splitlines()
    assert lines[0].split("  ")[0] == "capability"
    assert lines[1].split() == [
        "summarize", "rouge_l", "60", "18.3", "20.0", "18.8", "31.6", "+13.3", "[+10.0,", "+16.0]", "*",
    ]  # fmt: skip
    assert "1 of 1 capabilities" in lines[2]


def test_what_was_not_measured_is_a_dash():
    summary = evaluated()
    part = summary["capabilities"]["summarize"]
    part["systems"].pop("base-shots")
    part["best_floor"] = None
    part["differences"] = {}
    part["beats_all"] = None
    assert result_table(summary).splitlines()[1].split() == [
        "summarize", "rouge_l", "60", "18.3", "-", "-", "31.6", "-",
    ]  # fmt: skip
