"""The platform's own metrics, for Prometheus: what Dagster, the operational database and MLflow say of themselves."""
