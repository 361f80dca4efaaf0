#include "asr/providers/whisper_cpp/weight_reader.hpp"

#include <whisper.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <format>
#include <utility>

namespace hotmic::whisper_cpp {
namespace {

constexpr std::uint64_t kReportEvery = 4 << 20;
/// One read of the engine may be a whole tensor; cancelling and progress need smaller steps.
constexpr std::size_t kStep = 1 << 20;

}  // namespace

WeightReader::WeightReader(const std::filesystem::path& path, std::uint64_t size, LoadProgress& progress, std::stop_token stop)
    : file_(path, std::ios::binary), size_(size), progress_(progress), stop_(std::move(stop)), digest_(EVP_MD_CTX_new()) {
    EVP_DigestInit_ex(digest_.get(), EVP_sha256(), nullptr);
    progress_.report(0, size_);
}

whisper_model_loader WeightReader::loader() {
    return {.context = this,
            .read = [](void* self, void* into, std::size_t count) { return static_cast<WeightReader*>(self)->read(into, count); },
            .eof = [](void* self) { return static_cast<WeightReader*>(self)->ended_; },
            .close = [](void*) {}};
}

std::size_t WeightReader::read(void* into, std::size_t count) {
    auto* bytes = static_cast<char*>(into);
    std::size_t got = 0;
    while (got < count && !ended_) {
        if (stop_.stop_requested()) {
            ended_ = true;
            break;
        }
        file_.read(bytes + got, static_cast<std::streamsize>(std::min(kStep, count - got)));
        const auto now = static_cast<std::size_t>(file_.gcount());
        if (now == 0) ended_ = true;
        EVP_DigestUpdate(digest_.get(), bytes + got, now);
        got += now;
        read_ += now;
        if (read_ - reported_ >= kReportEvery || read_ == size_) {
            reported_ = read_;
            progress_.report(read_, size_);
        }
    }
    if (got < count) {
        short_read_ |= got > 0;
        std::memset(bytes + got, 0, count - got);  // the engine uses it whatever we return
    }
    return got;
}

std::string WeightReader::digest() const {
    std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
    unsigned length = 0;
    const std::unique_ptr<EVP_MD_CTX, DigestDeleter> copy(EVP_MD_CTX_new());
    EVP_MD_CTX_copy_ex(copy.get(), digest_.get());
    EVP_DigestFinal_ex(copy.get(), value.data(), &length);
    std::string hex;
    for (unsigned i = 0; i < length; ++i) hex += std::format("{:02x}", value[i]);
    return hex;
}

}  // namespace hotmic::whisper_cpp
