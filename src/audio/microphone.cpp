#include "audio/microphone.hpp"
#include "hotmic/units.hpp"

#define MINIAUDIO_IMPLEMENTATION  // the library is this header
#define MA_NO_DECODING
#define MA_NO_ENCODING
#define MA_NO_GENERATION
#define MA_NO_RESOURCE_MANAGER
#define MA_NO_NODE_GRAPH
#define MA_NO_ENGINE
#include <miniaudio.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <format>
#include <iterator>
#include <memory>
#include <ranges>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "system/mutex.hpp"

namespace hotmic::audio {
namespace {

constexpr std::size_t kMostUnread = std::size_t{10} * kSampleRate;

std::unexpected<Error> no_microphone(const std::string& why) {
    return fail(ErrorCode::io_error, "no microphone can be used: " + why,
                "connect one, or pipe samples in: ffmpeg … -f s16le -ar 16000 -ac 1 - | hotmic listen -");
}

/// The sound system. miniaudio's own choice of backend ends with one that records silence: only for who asks for it.
class SoundSystem {
public:
    static Result<std::unique_ptr<SoundSystem>> open(bool silent) {
        std::unique_ptr<SoundSystem> system(new SoundSystem);
        std::array<ma_backend, MA_BACKEND_COUNT> known{};
        std::size_t count = 0;
        ma_get_enabled_backends(known.data(), known.size(), &count);
        std::vector<ma_backend> wanted;
        std::ranges::copy_if(std::span(known).first(count), std::back_inserter(wanted),
                             [&](ma_backend each) { return silent == (each == ma_backend_null); });
        const auto result =
            ma_context_init(wanted.data(), static_cast<ma_uint32>(wanted.size()), nullptr, &system->context_);
        if (result != MA_SUCCESS) return no_microphone("this machine has no sound system");
        system->open_ = true;
        return system;
    }
    ~SoundSystem() {
        if (open_) ma_context_uninit(&context_);
    }
    SoundSystem(const SoundSystem&) = delete;
    SoundSystem& operator=(const SoundSystem&) = delete;

    [[nodiscard]] std::span<const ma_device_info> microphones() {
        ma_device_info* found = nullptr;
        ma_uint32 count = 0;
        if (ma_context_get_devices(&context_, nullptr, nullptr, &found, &count) != MA_SUCCESS) return {};
        return {found, count};
    }
    [[nodiscard]] ma_context* context() noexcept { return &context_; }

private:
    SoundSystem() = default;
    ma_context context_{};
    bool open_ = false;
};

class Microphone final : public AudioSource {
public:
    explicit Microphone(std::unique_ptr<SoundSystem> system) : system_(std::move(system)) {}
    ~Microphone() override {
        if (open_) ma_device_uninit(&device_);
    }
    Microphone(const Microphone&) = delete;
    Microphone& operator=(const Microphone&) = delete;

    /// `which`: null is the system's choice.
    Result<void> start(const ma_device_id* which) {
        auto config = ma_device_config_init(ma_device_type_capture);
        config.capture.pDeviceID = which;
        config.capture.format = ma_format_f32;
        config.capture.channels = 1;
        config.sampleRate = kSampleRate;
        config.pUserData = this;
        config.dataCallback = [](ma_device* device, void*, const void* samples, ma_uint32 count) {
            static_cast<Microphone*>(device->pUserData)->take({static_cast<const float*>(samples), count});
        };
        config.notificationCallback = [](const ma_device_notification* told) {
            if (told->type == ma_device_notification_type_stopped)
                static_cast<Microphone*>(told->pDevice->pUserData)->end();
        };
        auto result = ma_device_init(system_->context(), &config, &device_);
        if (result != MA_SUCCESS) return no_microphone(ma_result_description(result));
        open_ = true;
        result = ma_device_start(&device_);
        if (result != MA_SUCCESS) return no_microphone(ma_result_description(result));
        return {};
    }

    Result<std::size_t> read(std::span<float> out) override {
        Lock lock(mutex_);
        more_.wait(lock, [&] HOTMIC_REQUIRES(mutex_) { return unread_.size() >= out.size() || ended_; });
        const auto count = std::min(out.size(), unread_.size());
        const auto last = unread_.begin() + static_cast<std::ptrdiff_t>(count);
        std::copy(unread_.begin(), last, out.begin());
        unread_.erase(unread_.begin(), last);
        return count;
    }

    [[nodiscard]] std::string damage() const override {
        const Lock lock(mutex_);
        return lost_ == 0 ? ""
                          : std::format("{:.1f} s were spoken faster than they were read, and are lost",
                                        seconds_of(lost_).count());
    }

private:
    /// On miniaudio's thread, as is `end`.
    void take(AudioView samples) {
        const Lock lock(mutex_);
        unread_.insert(unread_.end(), samples.begin(), samples.end());
        if (unread_.size() > kMostUnread) {
            const auto surplus = unread_.size() - kMostUnread;
            lost_ += surplus;
            unread_.erase(unread_.begin(), unread_.begin() + static_cast<std::ptrdiff_t>(surplus));
        }
        more_.notify_all();
    }
    void end() {
        const Lock lock(mutex_);
        ended_ = true;
        more_.notify_all();
    }

    std::unique_ptr<SoundSystem> system_;
    ma_device device_{};
    bool open_ = false;
    mutable Mutex mutex_;
    Condition more_;
    std::deque<float> unread_ HOTMIC_GUARDED_BY(mutex_);
    std::size_t lost_ HOTMIC_GUARDED_BY(mutex_) = 0;
    bool ended_ HOTMIC_GUARDED_BY(mutex_) = false;
};

}  // namespace

std::vector<std::string> microphones() {
    auto system = SoundSystem::open(false);
    if (!system) return {};
    return (*system)->microphones() | std::views::transform([](const auto& each) { return std::string(each.name); }) |
           std::ranges::to<std::vector>();
}

Result<std::unique_ptr<AudioSource>> open_microphone(const std::string& name) {
    const bool silent = name == kSilentMicrophone;
    auto system = SoundSystem::open(silent);
    if (!system) return std::unexpected(std::move(system).error());
    const auto known = (*system)->microphones();
    if (known.empty()) return no_microphone("none is connected");
    const auto* chosen = known.data();
    if (!name.empty() && !silent) {
        const auto found =
            std::ranges::find_if(known, [&](const auto& each) { return std::string_view(each.name).contains(name); });
        if (found == known.end()) {
            std::string names;
            for (const auto& each : known) names += std::format("{}\"{}\"", names.empty() ? "" : ", ", each.name);
            return fail(ErrorCode::invalid_request, std::format("there is no microphone called {}", name),
                        "one of " + names, "device");
        }
        chosen = &*found;
    }
    const auto id = chosen->id;
    auto microphone = std::make_unique<Microphone>(*std::move(system));
    if (auto started = microphone->start(name.empty() || silent ? nullptr : &id); !started)
        return std::unexpected(std::move(started).error());
    return microphone;
}

}  // namespace hotmic::audio
