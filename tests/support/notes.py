"""What the bucket has written down as under way: all of it, where the package takes one after the other."""

from __future__ import annotations

from cardveil.storage.eraser import Eraser
from cardveil.storage.erasure import Task, task_at, task_names
from cardveil.storage.job_store import JobNote, JobNotes


def jobs_of(notes: JobNotes) -> list[JobNote]:
    """Return all notes about jobs."""
    return [note for name in notes.names() if (note := notes.at(name)) is not None]


def erasures_of(eraser: Eraser) -> list[Task]:
    """Return all erasures that are wanted."""
    names = task_names(eraser.sources, eraser.settings)
    return [task for name in names if (task := task_at(eraser.sources, name)) is not None]
