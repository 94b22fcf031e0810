//! Generated tasks, one file each, and the [``TASKS` table.
