"""Starts again what should be served and is down, with growing pauses, for ever."""

from control.config.errors import UnknownProject
from control.deployment.deployment import Deployment
from control.projects import catalog

STABLE = 60.0  # seconds of service after which the pauses begin anew


class Recovery:
    def __init__(self, api: Deployment) -> None:
        self.api = api

    def poll(self) -> None:
        """Start what is missing, if it is time for that; raises as Deployment.start does."""
        name, backoff = self.api.missing_project(), self.api.backoff
        if name is None:
            if backoff.attempts and backoff.age > STABLE:
                backoff.reset()
        elif backoff.is_due:
            with self.api.change(f"Starting {name}."):
                if self.api.missing_project() == name:  # neither stopped nor started meanwhile
                    self.start(name)

    def start(self, name: str) -> None:
        print(f"{name} should be served and is not: starting it.", flush=True)
        try:
            self.api.replace(catalog.find(self.api.settings.notebook_dir, name))
        except UnknownProject as error:
            self.api.store_error(name, error)
            raise
        finally:
            self.api.backoff.advance()
