#include "jobs/job.hpp"

#include <openssl/rand.h>

#include <array>
#include <cstddef>
#include <format>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "hotmic/error.hpp"
#include "text/hex.hpp"

namespace hotmic::jobs {
std::string_view to_string(Status status) noexcept {
    switch (status) {
        case Status::queued:
            return "queued";
        case Status::running:
            return "running";
        case Status::succeeded:
            return "succeeded";
        case Status::failed:
            return "failed";
        case Status::cancelled:
            return "cancelled";
    }
    std::unreachable();
}

std::optional<Status> status_named(std::string_view name) noexcept {
    for (const auto status : kStatuses) {
        if (to_string(status) == name) return status;
    }
    return std::nullopt;
}

std::string_view to_string(Delivery delivery) noexcept {
    switch (delivery) {
        case Delivery::none:
            return "none";
        case Delivery::pending:
            return "pending";
        case Delivery::delivered:
            return "delivered";
        case Delivery::failed:
            return "failed";
    }
    std::unreachable();
}

std::string new_job_id() {
    std::array<unsigned char, 16> random{};
    if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) {
        std::random_device device;
        for (auto& byte : random) byte = static_cast<unsigned char>(device());
    }
    return "job_" + hex_of(random);
}

std::unexpected<Error> no_such_job(std::string_view id) {
    constexpr std::size_t kShown = 64;
    return fail(ErrorCode::job_not_found, std::format("there is no job \"{}\"", id.substr(0, kShown)),
                "GET /v1/jobs lists those there are", "id");
}

}  // namespace hotmic::jobs
