#include <string>

#include "asr/formats.hpp"
#include "asr/formats/renderers.hpp"
#include "hotmic/transcript.hpp"
#include "text/trimmed.hpp"
#include "text/utf8.hpp"

namespace hotmic {

std::string formats::text(const Transcript& transcript, const RenderOptions& /*options*/) {
    return valid_utf8(trimmed(transcript.text)) + "\n";
}

}  // namespace hotmic
