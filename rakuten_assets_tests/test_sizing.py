"""docs/sizing.md: what is derived agrees with what a product costs."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PAGE = (PROJECT / "docs" / "sizing.md").read_text()


@pytest.fixture(scope="module")
def sizing():
    spec = importlib.util.spec_from_file_location("cost_per_product", PROJECT / "benchmarks" / "cost_per_product.py")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look for their module.
    import sys

    sys.modules["cost_per_product"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["cost_per_product"]


def test_the_derived_table_is_what_the_unit_costs_come_to(sizing):
    assert sizing.with_table(PAGE) == PAGE


def test_another_price_is_another_table(sizing):
    costs = sizing.units(PAGE)
    dear = replace(costs, vcpu_hour=10 * costs.vcpu_hour)
    assert sizing.table(dear) != sizing.table(costs)
    changed = PAGE.replace(f"| `vcpu_hour` | {costs.vcpu_hour:g} |", f"| `vcpu_hour` | {dear.vcpu_hour:g} |")
    assert sizing.with_table(changed) != changed


def test_the_formulas_hold_for_round_numbers(sizing):
    ones = sizing.Units(**dict.fromkeys(sizing.Units.__dataclass_fields__, 1.0))
    found = sizing.derived(ones, 3_600_000)
    assert found.prepare_hours == 1000
    assert found.prepare_wall_hours == 1000 / 64
    assert found.train_hours == 2000
    assert found.train_memory_gb == 3.6
    assert found.object_gb == 7.2
    # 2,000 hours of one CPU and of 3.6 GB.
    assert found.first_money == pytest.approx(1000 + 2000 * 4.6)
    assert found.month_money == pytest.approx(7.2 + 3.6 + 730 + 4 * 2000 * 4.6)
    twice = sizing.derived(ones, 7_200_000)
    assert twice.pairs == 4 * found.pairs
    assert twice.train_memory_gb == 2 * found.train_memory_gb


def test_what_the_programs_ask_for_is_what_the_manifests_say(sizing):
    import yaml

    asked = {}
    for file in (PROJECT / "docker" / "kubernetes" / "base").glob("*.yaml"):
        for each in yaml.safe_load_all(file.read_text()):
            if each and each.get("kind") == "Deployment":
                (container,) = each["spec"]["template"]["spec"]["containers"]
                cpu = container["resources"]["requests"]["cpu"]
                asked[container["name"]] = int(cpu[:-1]) / 1000 if cpu.endswith("m") else float(cpu)
    # At least two pods of the service.
    assert round(sum(asked.values()) + asked["classifier"]) == sizing.units(PAGE).standing_vcpus


@pytest.mark.parametrize(
    ("value", "shown"), [(1234567.0, "1,200,000"), (12.34, "12"), (1.234, "1.2"), (0.0456, "0.046")]
)
def test_figures_have_two_digits(sizing, value, shown):
    assert sizing.figure(value) == shown
