/**
 * What to do about the three troubles of the runbook. Each says first whether data is safe.
 */
import type { Topic } from "./topic.ts";

export const NOT_SENDING_TOPIC: Topic = {
  name: "not-sending",
  summary: "events stay on the worker: what it means, and what to look at",
  text: `Events do not reach the server

Is data safe? Yes. Events stay in their logs and are sent for as long as it takes, in
order; a restart changes nothing. Only a full disk limits how long: see WALMaxBytes.

1. See what waits, and since when:
     airunner wal ls
   PENDING counts events that the server lacks. FAILED counts those it refused for good.

2. Find the reason:
     airunner doctor --server=URL
   checks name, connection, credentials and clocks, and names the cure for each.
     grep "Failed to send events" ~/.airunner/logs/worker.log | tail
   shows the server's own words.

   The line says               it is
   connection refused, reset   the network or the server: it is tried again until it works
   unauthenticated, 401, 403   the key pair: see --credential; the server must list it
   429, resource_exhausted     too many calls: raise RetryBackoff.InitialInterval to 5s and
                               MaxInterval to 2m in the file, then: kill -HUP <pid of worker>
   invalid_argument            one event is refused; after RetryBackoff.MaxAttempts it counts
                               as failed, and what is behind it goes on

3. No worker runs on this host, or it will not come back:
     airunner wal replay --all --server=URL --dry-run
     airunner wal replay --all --server=URL
   sends what the server lacks. Twice does no harm: the server keeps one of each event.

4. Events that the server refused, after it was mended:
     airunner wal replay --all --server=URL --failed
`,
};

export const DISK_FULL_TOPIC: Topic = {
  name: "disk-full",
  summary: '"no space left on device", paused jobs, a disk that fills up',
  text: `The disk is full, or will be

Is data safe? Yes. What is in a log stays there. Jobs are paused when less than
MinFreeSpace is free or WALMaxBytes wait for the server; they go on by themselves when
there is room. Do not delete .wal files: they hold what the server lacks.

1. See what takes the room, and when it ends:
     airunner wal stats

2. Make room at once. Archives of which the server has everything can go:
     airunner wal cleanup --older-than=7d --dry-run
     airunner wal cleanup --older-than=7d
   What the server lacks is kept, whatever its age.

3. Large logs instead of large archives? Then the server does not take them:
     airunner help not-sending
   Until it does, compressing makes room (the worker has to be stopped):
     airunner wal archive --all

4. For good, one of:
   - keep archives for a shorter time: RetentionDays: 7 in the file, then
     kill -HUP <pid of worker>, which removes the older ones at once
   - move to a larger disk (the worker has to be stopped):
     airunner wal migrate --to=/mnt/large/airunner --symlink
`,
};

export const CORRUPT_LOG_TOPIC: Topic = {
  name: "corrupt-log",
  summary: '"crc_mismatch", .corrupt, .cut files: what is lost, what next',
  text: `A log is damaged

Is data safe? All before the damage, yes. A damaged log is never written to again and
never deleted: it is renamed to NAME.corrupt. What lies behind the damage can often be
saved. A torn record at the very end is no damage: it is what a crash in the middle of a
write leaves; it is cut off, and the cut bytes are kept beside the log (NAME.cut-OFFSET).

1. See which logs, and where in them:
     airunner wal verify --all
   torn_record, zero_tail      the end was being written when power or process went away
   crc_mismatch, bad_length    bytes changed on disk: think of the disk, not of airunner
   bad_magic, short_header     no log, or its very beginning was overwritten

2. See what can be saved; nothing is written:
     airunner wal recover JOB --dry-run

3. Save it into a new log, and send that:
     airunner wal recover JOB
     airunner wal replay JOB --server=URL
   It says which events were saved and which were lost. The damaged file stays as it is.
   What is not proven sent counts as not sent: a server drops what it has already.

4. More than one damaged log on a host is a failing disk:
     airunner doctor
`,
};
