#include "asr/providers/onnx/provider.hpp"
#include "asr/providers/pocketsphinx/provider.hpp"
#include "asr/providers/whisper_cpp/provider.hpp"
#include "hotmic/provider.hpp"

namespace hotmic {

ProviderRegistry builtin_providers() {
    return ProviderRegistry({onnx::make_provider(), whisper_cpp::make_provider(), pocketsphinx::make_provider()});
}

}  // namespace hotmic
