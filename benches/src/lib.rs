//! Load client and benchmarks of the workspace.
