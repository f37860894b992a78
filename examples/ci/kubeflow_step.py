"""A step of a Kubeflow pipeline (kfp 2) that asks the gate and fails the pipeline where it is blocked.

``python kubeflow_step.py`` writes ``gate.yaml``. The home is a volume that the step has mounted; a token of an OPA
server comes from a Kubernetes secret or from a file that a Vault agent writes, never as an argument: those are shown.
"""
# No `from __future__ import annotations`: kfp reads the types of a step at run time.


def ask_gate(home: str, stage: str = "promote", engine: str = "python", record: bool = True) -> str:
    """Ask the gate; gives its answer as JSON. It stands alone: kfp takes its text and nothing around it.

    Raises:
        RuntimeError: it is blocked, or could not be asked: the step fails, and with it the pipeline.
    """
    import subprocess
    import sys

    command = [sys.executable, "-m", "syscard_tui", "--home", home, "gate", "--stage", stage, "--engine", engine]
    command += ["--json", "--record" if record else "--no-record"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)  # noqa: S603
    if done.returncode == 1:
        raise RuntimeError(f"the gate is blocked: {done.stdout}")
    if done.returncode != 0:
        raise RuntimeError(f"the gate could not be asked: {done.stderr}")
    return done.stdout


def main() -> None:
    """Write the pipeline: put the step before the one that promotes, with ``promote.after(asked)``."""
    from kfp import compiler, dsl, kubernetes  # pip install kfp kfp-kubernetes

    step = dsl.component(ask_gate, base_image="python:3.12-slim", packages_to_install=["syscard[server]"])

    @dsl.pipeline(name="gate")  # type: ignore[untyped-decorator, unused-ignore]
    def pipeline(stage: str = "promote") -> None:
        asked = step(home="/syscard", stage=stage)
        kubernetes.mount_pvc(asked, pvc_name="syscard-home", mount_path="/syscard")
        token = {"token": "SYSCARD_OPA_TOKEN"}
        kubernetes.use_secret_as_env(asked, secret_name="syscard-opa", secret_key_to_env=token)  # noqa: S106  (a name)
        asked.set_caching_options(enable_caching=False)  # the card changes while its arguments do not

    compiler.Compiler().compile(pipeline, "gate.yaml")


if __name__ == "__main__":
    main()
