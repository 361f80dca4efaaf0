#include "server/transcription.hpp"

#include <utility>

#include "asr/channels.hpp"
#include "asr/formats.hpp"
#include "config/config.hpp"
#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "server/form.hpp"
#include "server/recognition.hpp"

namespace hotmic::server {
namespace {

/// Text is told in order of time while it is recognized: so streamed text is of all channels at once.
Channels channels_of(const TranscriptionRequest& wanted, const config::Server& standard) {
    if (wanted.stream) return Channels::mix;
    return wanted.channels.value_or(standard.channels == name_of(Channels::separate) ? Channels::separate
                                                                                     : Channels::mix);
}

}  // namespace

Result<Transcribing> make_transcribing(const config::Server& standard, const Form& form, Task task) {
    auto parsed = parse_form(form, task);
    if (!parsed) return std::unexpected(std::move(parsed).error());
    auto& wanted = *parsed;
    wanted.render.cues = {.max_line_width = wanted.max_line_width.value_or(standard.max_line_width),
                          .max_line_count = wanted.max_line_count.value_or(standard.max_line_count)};
    if (needs_words(wanted.format, wanted.render)) wanted.options.word_timestamps = true;
    Recognition::Order order{.model = wanted.model,
                             .options = wanted.options,
                             .chunking = wanted.chunking,
                             .channels = channels_of(wanted, standard),
                             .media = {}};
    return Transcribing{.wanted = *std::move(parsed), .order = std::move(order)};
}

}  // namespace hotmic::server
