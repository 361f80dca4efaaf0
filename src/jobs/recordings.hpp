/// The recordings of jobs that have not ended: one file each, named after its job, beside the database.
#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/units.hpp"
#include "store/descriptor.hpp"

namespace hotmic::jobs {

/// Any thread.
class Recordings {
public:
    /// Makes the folder for this user alone where it does not exist. Errors: disk_full, io_error.
    [[nodiscard]] static Result<Recordings> open(std::filesystem::path folder);

    /// One that is being written. What was not finished is removed by the destructor, or by the next `sweep`.
    class Writing {
    public:
        Writing(Writing&&) noexcept = default;
        Writing& operator=(Writing&&) = delete;
        ~Writing();
        /// Errors: disk_full, io_error.
        [[nodiscard]] Result<void> add(std::span<const char> bytes);
        /// On the disk whole, whatever happens from now on. Errors: disk_full, io_error.
        [[nodiscard]] Result<void> finish();
        [[nodiscard]] Bytes size() const noexcept { return size_; }

    private:
        friend class Recordings;
        Writing(std::filesystem::path target, store::Descriptor file)
            : target_(std::move(target)), file_(std::move(file)) {}
        std::filesystem::path target_;
        store::Descriptor file_;  // none: there is nothing to remove
        Bytes size_;
    };

    /// Errors: disk_full, io_error.
    [[nodiscard]] Result<Writing> write(const std::string& id) const;
    /// It can be read to its end even where it is removed meanwhile. Errors: io_error.
    [[nodiscard]] Result<std::shared_ptr<const MediaBytes>> open_one(const std::string& id) const;
    void remove(const std::string& id) const noexcept;
    /// Removes what is of none of these jobs.
    void sweep(const std::set<std::string>& wanted) const noexcept;

private:
    explicit Recordings(std::filesystem::path folder) : folder_(std::move(folder)) {}
    std::filesystem::path folder_;
};

}  // namespace hotmic::jobs
