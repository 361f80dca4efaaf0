#include <string>
#include <string_view>

#include "hotmic/provider.hpp"
#include "support/fake_provider.hpp"
#include "support/forbidden_acts.hpp"
#include "worker/decoder_main.hpp"
#include "worker/worker_main.hpp"

namespace {

using namespace hotmic;

/// Media that begins with "try " is tried (forbidden_acts.hpp), and what came of it is the error.
Result<std::unique_ptr<AudioSource>> open_or_try(std::shared_ptr<const MediaBytes> media, const DecodeLimits& limits,
                                                 const TrackChoice& choice) {
    constexpr std::string_view kTry = "try ";
    std::string text(std::min<std::size_t>(media->size(), 200), '\0');
    (void)media->read(0, std::as_writable_bytes(std::span(text)));
    if (text.starts_with(kTry)) return fail(ErrorCode::audio_undecodable, testing::try_acts(text.substr(kTry.size())));
    return open_media(std::move(media), limits, choice);
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view command(argc >= 2 ? argv[1] : "");
    if (command == "decoder") return worker::decoder_main(open_or_try);
    auto providers = builtin_providers().all();
    providers.push_back(testing::make_fake_provider());
    const ProviderRegistry registry(std::move(providers));
    if (command == "examiner") return worker::examiner_main(registry);
    return worker::worker_main(registry);
}
