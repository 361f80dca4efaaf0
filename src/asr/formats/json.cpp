#include <string>

#include "asr/formats.hpp"
#include "asr/formats/renderers.hpp"
#include "asr/openai_wire.hpp"
#include "hotmic/transcript.hpp"
#include "text/json.hpp"

namespace hotmic {
namespace wire {

struct Json {
    std::string text;
    Logprobs logprobs;
    Usage usage;
};

}  // namespace wire

std::string formats::json(const Transcript& transcript, const RenderOptions& options) {
    wire::Json out{.text = wire::text_of(transcript), .logprobs = {}, .usage = wire::usage_of(transcript)};
    if (options.logprobs) out.logprobs = wire::logprobs_of(transcript);
    return to_json(out);
}

}  // namespace hotmic
