"""The compiled scanner, which is optional: without a C compiler the installation does without it, and is slower."""

from pathlib import Path

from setuptools import Extension, setup

SCANNER = Path("src/attribute/logs/scanner")

setup(
    ext_modules=[
        Extension(
            "attribute.logs._scan",
            sources=[str(SCANNER / "module.c")],
            depends=sorted(map(str, SCANNER.glob("*.h"))),
            extra_compile_args=["-O3"],
            optional=True,
        )
    ]
)
