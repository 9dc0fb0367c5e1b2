//! The wasmtime engine: which WebAssembly we run, and how its memory is pooled.

use std::fs;

use stepwell_core::limits::Limits;
use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use crate::error::SandboxError;
use crate::guest::GuestState;
use crate::{capability, wasi};

/// What one component may consist of. Python needs about 14 core instances and QuickJS 3 memories.
const MAX_CORE_INSTANCES: u32 = 32;
const MAX_MEMORIES: u32 = 4;
const MAX_TABLES: u32 = 16;

/// Memory that stays with a pool's slot between two guests and is wiped by hand: cheaper than giving it
/// back to the kernel and faulting it in again.
const KEEP_RESIDENT_MEMORY: usize = 2 << 20;
const KEEP_RESIDENT_TABLE: usize = 64 << 10;

/// Kernel memory maps of one live instance (6 of one with a single memory), and of everything else.
const MAPS_PER_INSTANCE: u64 = 8;
const MAPS_RESERVE: u64 = 4_096;

/// The engine for at most `max_live` instances at a time, none with more than the `ceiling` allows.
pub(crate) fn build(max_live: u32, ceiling: &Limits) -> Result<Engine, SandboxError> {
    check_memory_maps(max_live)?;
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(max_live, ceiling)))
        .consume_fuel(true)
        .cranelift_opt_level(OptLevel::Speed)
        // The same input gives the same answer, whichever machine computes it.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        // A publication must not take every core from the runs: several compile at once, each on one thread.
        .parallel_compilation(false);
    Engine::new(&config).map_err(SandboxError::Engine)
}

fn pool(max_live: u32, ceiling: &Limits) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(max_live)
        .total_stacks(max_live)
        .total_core_instances(max_live.saturating_mul(MAX_CORE_INSTANCES))
        .total_memories(max_live.saturating_mul(MAX_MEMORIES))
        .total_tables(max_live.saturating_mul(MAX_TABLES))
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_component(MAX_MEMORIES)
        .max_tables_per_component(MAX_TABLES)
        .max_tables_per_module(MAX_TABLES)
        .max_memory_size(usize::try_from(ceiling.memory_bytes).unwrap_or(usize::MAX))
        .table_elements(usize::try_from(ceiling.table_elements).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(KEEP_RESIDENT_MEMORY)
        .table_keep_resident(KEEP_RESIDENT_TABLE)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// A linker with everything that a component may import.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<GuestState>, SandboxError> {
    let mut linker = Linker::new(engine);
    wasi::link(&mut linker).map_err(SandboxError::Engine)?;
    capability::link(&mut linker).map_err(SandboxError::Engine)?;
    Ok(linker)
}

/// Too few memory maps would let `mmap` fail in the middle of a run: say it at the start.
fn check_memory_maps(max_live: u32) -> Result<(), SandboxError> {
    let needed = u64::from(max_live) * MAPS_PER_INSTANCE + MAPS_RESERVE;
    match max_map_count() {
        Some(allowed) if allowed < needed => Err(SandboxError::MemoryMaps { max_live, needed, allowed }),
        _ => Ok(()),
    }
}

/// The kernel's bound on a process's memory maps, where there is one.
fn max_map_count() -> Option<u64> {
    fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_instances_than_the_kernel_has_maps_for_are_refused() {
        if max_map_count().is_some_and(|allowed| allowed < u64::from(u32::MAX)) {
            assert!(matches!(check_memory_maps(u32::MAX), Err(SandboxError::MemoryMaps { .. })));
        }
        assert!(check_memory_maps(1).is_ok());
    }
}
