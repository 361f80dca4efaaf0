/// What a client of the Realtime API configures, from the JSON of session.update.
/// https://platform.openai.com/docs/api-reference/realtime-client-events/session/update
#pragma once

#include <chrono>
#include <glaze/json/generic.hpp>
#include <optional>
#include <string>
#include <vector>

#include "audio/pcm.hpp"
#include "hotmic/error.hpp"
#include "hotmic/live_stream.hpp"

namespace hotmic::server {

struct RealtimeConfig {
    struct TurnDetection {
        std::string type = "server_vad";  ///< or "semantic_vad"
        double threshold = 0.5;
        std::chrono::milliseconds prefix_padding{300};
        std::chrono::milliseconds silence{500};
        std::string eagerness = "auto";  ///< of semantic_vad, which here is a choice of silence
        friend bool operator==(const TurnDetection&, const TurnDetection&) = default;
    };

    audio::PcmFormat format{.encoding = audio::PcmFormat::Encoding::s16, .rate = 24'000};
    std::string model{};  ///< empty: the default one
    std::string language{};
    std::vector<std::string> languages{};  ///< that detection chooses among; empty: the model's
    std::string prompt{};
    std::optional<TurnDetection> turn_detection = TurnDetection{};  ///< none: the client commits
    bool logprobs = false;
    friend bool operator==(const RealtimeConfig&, const RealtimeConfig&) = default;

    /// Takes what `session` says over; what it does not mention stays. The shape of the general availability
    /// (`audio.input.…`) and the flat one of the beta. Nothing is changed where there is an error:
    /// unsupported_parameter, invalid_request, naming the field.
    [[nodiscard]] Result<void> update(const glz::generic& session);

    [[nodiscard]] LiveOptions live_options(const std::string& id) const;
};

}  // namespace hotmic::server
