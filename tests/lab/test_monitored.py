"""What Prometheus beside the lab is given: the shipped jobs whose targets the lab has, through the proxies."""

import yaml

from lab.monitored import ASKED_FROM, SHIPPED, configuration


def test_the_shipped_jobs_are_asked_through_the_lab() -> None:
    ports = {job: 9000 + number for number, job in enumerate(ASKED_FROM)}
    made = yaml.safe_load(configuration((SHIPPED / "scrape.yml").read_text(), ports))
    jobs = {job["job_name"]: job for job in made["scrape_configs"]}
    assert {name: job["proxy_url"] for name, job in jobs.items()} == {
        name: f"http://127.0.0.1:{port}" for name, port in ports.items()
    }
    assert made["rule_files"] == ["rules.yml", "monitoring.yml"]
    assert "alerting" not in made
    assert jobs["kun-probe-dns"]["static_configs"] == [{"targets": ["[2002:a03:2::1]:53"]}]
    assert jobs["kun-probe-page"]["relabel_configs"] == jobs["kun-probe-dns"]["relabel_configs"]
