"""A step of a SageMaker pipeline (sagemaker 2) that asks the gate and fails the pipeline where it is blocked.

The same file is both: ``pipeline_step()`` makes the step, and inside its container ``python sagemaker_step.py`` asks
the gate. The container's image has syscard; the records of the home are an input from S3, of a copy that ``syscard
backup`` made. A token of an OPA server is fetched in the container, from Secrets Manager or
a Vault agent's file: what stands in a step's environment is shown to whoever may describe the job.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

HOME = Path("/opt/ml/processing/input/home")
REPORTS = Path("/opt/ml/processing/output")


def ask_gate(home: Path, reports: Path, stage: str = "promote") -> int:
    """Ask the gate of a copy of a home, write what CI reads, and give the exit code: anything but 0 fails the step."""
    reports.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "syscard_tui", "--home", str(home), "gate", "--stage", stage, "--no-record"]
    command += ["--junit", str(reports / "gate.xml"), "--markdown", str(reports / "gate.md")]
    return subprocess.run(command, check=False, timeout=600).returncode  # noqa: S603


def pipeline_step(role: str, image: str, records: str, stage: str = "promote") -> Any:
    """The step, to stand before the one that promotes: ``promote.add_depends_on([step])``.

    Args:
        role: what the job may do.
        image: a container's image with Python and syscard.
        records: S3 prefix under which ``records.db`` is.
        stage: of the policy.
    """
    from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor
    from sagemaker.workflow.pipeline_context import PipelineSession
    from sagemaker.workflow.steps import ProcessingStep

    processor = ScriptProcessor(
        role=role,
        image_uri=image,
        command=["python3"],
        instance_count=1,
        instance_type="ml.t3.medium",
        sagemaker_session=PipelineSession(),
    )
    arguments = processor.run(
        code=__file__,
        arguments=[stage],
        inputs=[ProcessingInput(source=records, destination=str(HOME))],
        outputs=[ProcessingOutput(output_name="gate", source=str(REPORTS))],
    )
    return ProcessingStep(name="SyscardGate", step_args=arguments)


if __name__ == "__main__":
    sys.exit(ask_gate(HOME, REPORTS, *sys.argv[1:2]))
