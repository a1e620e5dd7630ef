from tests.support.postgres import postgres_server, postgres_url, store_url  # noqa: F401 (fixtures)
