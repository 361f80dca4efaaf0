/// Whether what has to move moves: each I/O loop, and of each model the thread that watches over it.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/catalog.hpp"
#include "server/http/loop.hpp"

namespace hotmic::server {

/// They are asked for a sign of life, and looked at later. One thread at a time; it hangs where a lock of what it looks
/// at is held for ever.
class Liveness {
public:
    /// Both must outlive this.
    Liveness(http::Loops& loops, const ModelCatalog& catalog);

    /// Asks all of them. Not before those that were asked last have answered.
    void ask();
    /// Who has not answered: "I/O loop 0" (which accepts connections), "model large"; empty: nobody owes an answer.
    [[nodiscard]] std::vector<std::string> silent() const;

private:
    using Answers = std::vector<std::atomic<std::uint64_t>>;

    http::Loops& loops_;
    const ModelCatalog& catalog_;
    std::uint64_t question_ = 0;
    std::shared_ptr<Answers> answers_;             // the last question that each loop has answered
    std::map<std::string, std::uint64_t> rounds_;  // of each model, when it was asked
};

}  // namespace hotmic::server
