"""The compiled scanner, which is optional: without a C compiler the installation does without it, and is slower."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "attribute.logs._scan",
            sources=["src/attribute/logs/_scan.c"],
            extra_compile_args=["-O3"],
            optional=True,
        )
    ]
)
