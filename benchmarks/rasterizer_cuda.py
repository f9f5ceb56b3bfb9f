# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Replay a job from a CUDA graph: the time of its kernels, without what Python takes to launch them."""

from __future__ import annotations

import torch
from timing import Job

WARM_UP_CALLS = 3


def as_graph(job: Job) -> Job | None:
    """A job that replays this one; None if it cannot be captured, because it waits for a result on the way."""
    try:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_CALLS):
                job()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            job()
    except RuntimeError as error:
        print(f"no CUDA graph: {error}".partition("\n")[0])
        torch.cuda.synchronize()
        return None
    return graph.replay
