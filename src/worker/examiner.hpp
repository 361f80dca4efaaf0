/// What model files say of themselves, read in a process of its own: files come from strangers.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <set>

#include "hotmic/error.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"
#include "system/mutex.hpp"
#include "worker/confinement.hpp"

namespace hotmic::worker {

/// Starts the process when there is something to ask, and ends it afterwards. Any thread; several ask at once, each a
/// process of its own.
class Examiner {
public:
    struct Options {
        /// The program to start as `PROGRAM examiner`; it must call `examiner_main` with the same providers.
        std::filesystem::path executable = "/proc/self/exe";
        /// A file whose header takes longer to read is given up.
        std::chrono::milliseconds patience{60'000};
        Confinement confinement{};  ///< except that it may read every file
    };
    struct Answer {
        Result<ModelFileInfo> info;
        Result<ResourceEstimate> estimate;
    };
    /// While one lives, the process is kept for the next question.
    class Session {
    public:
        explicit Session(Examiner& examiner);
        ~Session();
        Session(const Session&) = delete;
        Session& operator=(const Session&) = delete;

    private:
        Examiner& examiner_;
    };

    explicit Examiner(Options options);
    Examiner() : Examiner(Options{}) {}
    ~Examiner();
    Examiner(const Examiner&) = delete;
    Examiner& operator=(const Examiner&) = delete;

    /// Errors besides the provider's: model_corrupt (the process died of it), model_file_unreadable (it took too
    /// long), worker_start_failed, load_cancelled (after `stop`).
    [[nodiscard]] Answer ask(const ModelSpec& spec);
    /// Whatever is being read is given up, and nothing is read any more.
    void stop();

private:
    class Reading;

    [[nodiscard]] Result<std::shared_ptr<Reading>> begin();
    void end(std::shared_ptr<Reading> reading);

    const Options options_;
    Mutex mutex_;
    std::set<std::shared_ptr<Reading>> under_way_ HOTMIC_GUARDED_BY(mutex_);
    std::shared_ptr<Reading> kept_ HOTMIC_GUARDED_BY(mutex_);  // for the next question
    int sessions_ HOTMIC_GUARDED_BY(mutex_) = 0;
    bool stopped_ HOTMIC_GUARDED_BY(mutex_) = false;
};

/// The same provider, except that files are looked at by `examiner`. Its own model, which is no file that anybody
/// names, still is by itself.
[[nodiscard]] std::shared_ptr<Provider> examined_by(std::shared_ptr<Examiner> examiner,
                                                    std::shared_ptr<Provider> inner);
[[nodiscard]] ProviderRegistry examined_by(const std::shared_ptr<Examiner>& examiner, const ProviderRegistry& inner);

}  // namespace hotmic::worker
