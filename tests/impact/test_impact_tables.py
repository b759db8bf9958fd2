import json
from pathlib import Path

import polars as pl
import pytest
from impact_builders import cells, share

from roleshift.contracts import read_table, write_table
from roleshift.errors import RoleShiftError
from roleshift.impact.assumptions import default_assumptions
from roleshift.impact.catalogue import bundled_emerging
from roleshift.impact.roles import Analysis, analyse
from roleshift.impact.setting import Setting, open_setting
from roleshift.impact.tables import impact_summary, impact_tables
from roleshift.params import ImpactParams

ROLES = """
domains: {}
roles:
  - id: baker
    name: {en: Baker, zh: 面包师}
    soc: "51-3011"
    tasks:
      - {id: bake, description: {en: Bake, zh: 烘焙}, activities: [4.A.3.a.2.I01], weight: 1.0, consequence: low}
"""
WAGES = "AREA_TYPE,I_GROUP,OCC_CODE,O_GROUP,TOT_EMP,A_MEAN\n1,cross-industry,00-0000,total,1000,50\n"
BAKERS = "1,cross-industry,51-3011,detailed,200,40\n"


@pytest.fixture(scope="module")
def analysis(setting: Setting) -> Analysis:
    evidence = cells(share("classify", 59, 60, domain="news"), share("summarize", 40, 60, domain="news"))
    return analyse(setting.work, evidence, setting.assumptions)


def test_every_table_keeps_its_contract_and_names_version_and_assumptions(
    setting: Setting, analysis: Analysis, tmp_path: Path
) -> None:
    for name, (frame, contract) in impact_tables(
        setting.landscape(analysis), bundled_emerging(), "m1", "onnx-int8"
    ).items():
        write_table(tmp_path / f"{name}.parquet", frame, contract)
        back = read_table(tmp_path / f"{name}.parquet", contract)
        assert back.height > 0
        assert set(back["model_id"]) == {"m1"}
        assert set(back["assumptions_hash"]) == {setting.assumptions.hash}


def test_hours_that_rest_on_unknown_head_counts_are_unknown_not_zero(setting: Setting, analysis: Analysis) -> None:
    tables = impact_tables(setting.landscape(analysis), bundled_emerging(), "m1", "onnx-int8")
    emerging = tables["emerging"][0]
    rests = {
        entry.id for entry in bundled_emerging() if {"review", "curation"} & {part.driver for part in entry.drivers}
    }
    assert set(emerging.filter(pl.col("hours").is_null())["emerging_role"]) == rests
    assert 0 < len(rests) < emerging.height
    assert emerging["full_time"].null_count() == len(rests)
    summary = impact_summary(analysis, bundled_emerging(), "m1", "onnx-int8", setting.sources)
    assert set(summary["emerging_hours"]) == {"evaluation", "integration"}
    assert "image" in summary["not_assessed"]
    assert summary["capabilities"]["classify"]["news"]["items"] == 60
    counted = summary["tasks"]
    assert sum(v for k, v in counted.items() if k != "all") == counted["all"] == setting.work.tasks.height
    json.dumps(summary, allow_nan=False)


def test_own_roles_and_wages_lie_beside_the_bundled_catalogue(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(ROLES, encoding="utf-8")
    (tmp_path / "wages.csv").write_text(WAGES + BAKERS)
    params = ImpactParams(draws=100, roles="own.yaml", wages="wages.csv")
    setting = open_setting(params, 17, lambda name: tmp_path / name)
    assert setting.sources["own_roles"] == 1
    assert setting.work.roles.filter(pl.col("role_id") == "baker")["employment"].item() == 200
    assert setting.sources["wages"]["employment_share"] == pytest.approx(0.2)
    assert setting.assumptions.draws == 100
    with pytest.raises(RoleShiftError, match=r"absent\.yaml"):
        open_setting(ImpactParams(draws=100, roles="absent.yaml"), 17, lambda name: tmp_path / name)


def test_the_default_setting_uses_the_default_values() -> None:
    setting = open_setting(ImpactParams(draws=1000), 17, Path)
    assert setting.assumptions.hash == default_assumptions().hash
