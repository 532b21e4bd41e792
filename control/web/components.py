"""The parts of the control app that views use, stored once in the Flask application."""

from dataclasses import dataclass, field

from flask import current_app

from control.deployment.deployment import Deployment
from control.logs.follow import Followers
from control.projects.create import ProjectCreator
from control.traffic.history import History
from control.traffic.metrics import Metrics

KEY = "components"  # in `Flask.extensions`


@dataclass(frozen=True)
class Components:
    deployment: Deployment
    metrics: Metrics
    project_creator: ProjectCreator
    history: History = field(default_factory=History)
    log_followers: Followers = field(default_factory=Followers)


def components() -> Components:
    """Those of the current application."""
    stored: Components = current_app.extensions[KEY]
    return stored
