"""The homepage."""

from flask import Blueprint, render_template

homepage = Blueprint("homepage", __name__)


@homepage.get("/")
def index() -> str:
    return render_template("homepage.html")
