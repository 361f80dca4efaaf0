#include "lifecycle/canary.hpp"

#include <format>
#include <optional>

#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic {

std::optional<Error> Canary::judge(const Result<Transcript>& result, Seconds inference) {
    constexpr int kEnough = 2;
    if (!result && result.error().code == ErrorCode::cancelled) return std::nullopt;  // it made way for a request

    const bool slow = result && steady_ > Seconds::zero() && inference > latency_factor_ * steady_;
    if (result) last_ = inference;
    auto lie = result ? truth_.judge(*result) : std::nullopt;
    if (result && !slow && !lie) {
        failures_ = 0;
        return std::nullopt;
    }
    found_ = lie    ? lie->message
             : slow ? std::format("took {:.0f} ms, {:.1f} times the warm latency of {:.0f} ms", to_ms(inference),
                                  inference / steady_, to_ms(steady_))
                    : "failed: " + result.error().describe();
    if (++failures_ < kEnough) return std::nullopt;
    if (lie) return lie;
    return Error{ErrorCode::unhealthy,
                 std::format("{} canary inferences in a row were bad; the last {}", kEnough, found_),
                 "it is being loaded again; look at what else uses the machine"};
}

}  // namespace hotmic
