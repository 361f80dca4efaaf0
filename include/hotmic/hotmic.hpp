/// All of the public library: `#include <hotmic/hotmic.hpp>`.
///
/// audio.hpp            audio as engines take it, and where it comes from
/// provider.hpp         engines: what they can do, and what they load
/// model_manager.hpp    one model's life: LOADING, WARMING_UP, READY, leases, unloading
/// served_model.hpp     a model under its name, with swaps
/// live_stream.hpp      text while somebody speaks
#pragma once

// IWYU pragma: begin_exports
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/health.hpp"
#include "hotmic/journal.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/lifecycle_options.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/memory_broker.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/model_manager.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/served_model.hpp"
#include "hotmic/state.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "hotmic/voice.hpp"
#include "hotmic/warmup.hpp"
// IWYU pragma: end_exports
