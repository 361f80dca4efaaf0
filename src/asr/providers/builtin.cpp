#include "asr/providers/pocketsphinx/provider.hpp"
#include "hotmic/provider.hpp"

namespace hotmic {

ProviderRegistry builtin_providers() { return ProviderRegistry({pocketsphinx::make_provider()}); }

}  // namespace hotmic
