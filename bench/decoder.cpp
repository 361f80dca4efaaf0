/// What a decoder of its own costs a file: opened and read to its end, in this process and in one that is forked for
/// it.
///
///   hotmic_bench_decoder [ROUNDS] [FILE…]
///
/// For ten seconds of WAV, the built-in clip (FLAC), and each file: the median and the 95th percentile of the wall time
/// both ways, and the median of what the process adds. The two take turns, so that both see the same machine.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <fstream>
#include <iostream>
#include <print>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "audio/clip.hpp"
#include "worker/decoder_main.hpp"
#include "worker/decoders.hpp"

namespace {

using namespace hotmic;

template <class T>
T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().describe());
    return *std::move(result);
}

double percentile(std::vector<double> values, double share) {
    std::ranges::sort(values);
    return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

double ms_of_decoding(MediaDecoder& decoder, const std::shared_ptr<const MediaBytes>& media, double& seconds) {
    const auto began = std::chrono::steady_clock::now();
    const auto source = must(decoder.open(media, {}, {}));
    seconds = seconds_of(must(read_all(*source)).size()).count();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
}

void compare(const std::string& name, const std::shared_ptr<const MediaBytes>& media, MediaDecoder& here,
             MediaDecoder& there, int rounds) {
    constexpr int kFirst = 5;  // grow buffers
    std::vector<double> one;
    std::vector<double> other;
    double seconds = 0;
    for (int i = 0; i < rounds + kFirst; ++i) {
        const double in_process = ms_of_decoding(here, media, seconds);
        const double forked = ms_of_decoding(there, media, seconds);
        if (i < kFirst) continue;
        one.push_back(in_process);
        other.push_back(forked);
    }
    std::println("{:<24} {:7.1f} s  here {:.2f} / {:.2f} ms   forked {:.2f} / {:.2f} ms   the process adds {:.2f} ms",
                 name, seconds, percentile(one, 0.5), percentile(one, 0.95), percentile(other, 0.5),
                 percentile(other, 0.95), percentile(other, 0.5) - percentile(one, 0.5));
}

std::shared_ptr<const MediaBytes> file(const char* path) {
    std::ifstream in(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const auto bytes = std::as_bytes(std::span(text));
    return media_in_memory(std::vector<std::byte>(bytes.begin(), bytes.end()));
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc > 1 && std::string_view(argv[1]) == "decoder") return worker::decoder_main();
    int rounds = 200;
    int next = 1;
    if (argc > 1) {
        const std::string_view text(argv[1]);
        if (std::from_chars(text.data(), text.data() + text.size(), rounds).ec == std::errc{}) ++next;
    }
    const auto here = decoder_here();
    worker::Decoders there;
    compare("wav", media_in_memory(audio::encode_wav(must(audio::clip_of_length(Seconds(10))))), *here, there, rounds);
    compare("flac", media_in_memory(audio::builtin_clip().encoded), *here, there, rounds);
    for (; next < argc; ++next) compare(argv[next], file(argv[next]), *here, there, rounds);
} catch (const std::exception& error) {
    std::println(std::cerr, "{}", error.what());
    return 1;
}
