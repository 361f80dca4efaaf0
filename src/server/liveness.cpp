#include "server/liveness.hpp"

#include <cstddef>
#include <format>
#include <memory>
#include <string>
#include <vector>

#include "server/catalog.hpp"
#include "server/http/loop.hpp"

namespace hotmic::server {

Liveness::Liveness(http::Loops& loops, const ModelCatalog& catalog)
    : loops_(loops), catalog_(catalog), answers_(std::make_shared<Answers>(loops.all().size())) {}

void Liveness::ask() {
    ++question_;
    std::size_t i = 0;
    for (auto* loop : loops_.all())
        loop->post([answers = answers_, i = i++, question = question_] { (*answers)[i] = question; });
    rounds_.clear();
    for (const auto& entry : catalog_.entries()) rounds_[entry->name] = entry->model->come_round();
}

std::vector<std::string> Liveness::silent() const {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < answers_->size(); ++i) {
        if ((*answers_)[i] != question_) names.push_back(std::format("I/O loop {}", i));
    }
    for (const auto& entry : catalog_.entries()) {
        const auto asked = rounds_.find(entry->name);
        if (asked != rounds_.end() && entry->model->come_round() == asked->second)
            names.push_back("model " + entry->name);
    }
    return names;
}

}  // namespace hotmic::server
