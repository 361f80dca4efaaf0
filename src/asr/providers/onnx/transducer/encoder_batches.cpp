#include "asr/providers/onnx/transducer/encoder_batches.hpp"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <exception>
#include <stdexcept>
#include <vector>

#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/transducer/encoder.hpp"
#include "system/mutex.hpp"

namespace hotmic::onnx {
namespace {

void check(const EncoderRow& row) {
    if (!row.finite) throw std::runtime_error("the encoder computed a number that is not finite");
}

}  // namespace

void EncoderBatches::run(EncoderRow row, const CancellableRun& run) {
    if (!encoder_.takes_rows()) {
        encoder_.run({&row, 1}, run);
        return check(row);
    }
    Waiting mine{.row = row};
    Lock lock(mutex_);
    waiting_.push_back(&mine);
    while (!mine.done) {
        changed_.wait(lock, [&] HOTMIC_REQUIRES(mutex_) { return mine.done || (!mine.taken && running_ < lanes_); });
        if (mine.done) break;
        std::deque<Waiting*> batch;
        while (!waiting_.empty() && batch.size() < kMostRows) {
            batch.push_back(waiting_.front());
            waiting_.pop_front();
            batch.back()->taken = true;
        }
        ++running_;
        ++counts_.runs;
        counts_.rows += batch.size();
        counts_.most = std::max(counts_.most, batch.size());
        lock.unlock();
        run_together(batch);
        lock.lock();
        --running_;
        for (auto* const each : batch) each->done = true;
        changed_.notify_all();
    }
    lock.unlock();
    if (mine.failure) std::rethrow_exception(mine.failure);
    check(mine.row);
}

/// Nobody's cancellation ends a run that others are in; it takes milliseconds.
void EncoderBatches::run_together(std::deque<Waiting*>& batch) const {
    const CancellableRun all{std::stop_token{}};
    std::vector<EncoderRow> rows;
    rows.reserve(batch.size());
    for (const auto* const each : batch) rows.push_back(each->row);
    try {
        encoder_.run(rows, all);
        for (std::size_t i = 0; i < rows.size(); ++i) batch[i]->row = rows[i];
        return;
    } catch (...) {
        if (batch.size() == 1) {
            batch.front()->failure = std::current_exception();
            return;
        }
    }
    // Whose fault it is shows when each is alone.
    for (auto* const each : batch) {
        try {
            encoder_.run({&each->row, 1}, all);
        } catch (...) {
            each->failure = std::current_exception();
        }
    }
}

EncoderBatches::Counts EncoderBatches::counts() const {
    const Lock lock(mutex_);
    return counts_;
}

}  // namespace hotmic::onnx
