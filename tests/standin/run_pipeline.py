"""Runs jobs in the current folder with ccpem-pipeliner's own runner, and prints what became of each as JSON."""

from __future__ import annotations

import json
import sys

from pipeliner.api.manage_project import PipelinerProject
from pipeliner.project_graph import ProjectGraph


def main(jobs: list[dict[str, str]]) -> None:
    """Run jobs one after the other.

    Args:
        jobs: Questions of each with their answers, as a job.star holds them.
    """
    project = PipelinerProject(make_new_project=True)
    told = []
    for answers in jobs:
        job = project.run_job(answers, run_in_foreground=True)
        shown = job.create_results_display()
        with ProjectGraph(read_only=True) as graph:
            (process,) = [one for one in graph.process_list if one.name == job.output_dir]
        told.append(
            {
                "folder": job.output_dir,
                "status": process.status,
                "version": job.jobinfo.programs[0].get_version(timeout=60) if job.jobinfo.programs else None,
                "nodes": {node.name: node.type for node in job.output_nodes},
                "inputs": [node.name for node in process.input_nodes],
                "shown": [{"type": one.dobj_type, "title": one.title} for one in shown],
            }
        )
    print("\nRESULTS", json.dumps(told))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
