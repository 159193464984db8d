// Package writeback decides when each op of the journal is tried: in which order, how many at a time, after which
// quiet time, and again after which failure.
//
// It knows functions, not services: what an op does is Config.Do, what its error means is Config.Classify. It keeps
// nothing on disk; the journal is the truth, and after a restart every row of it is added again. It must never drop
// an op that has not ended, and never run one op twice at the same time.
//
// Invariants:
//
//	W1: an op runs at most once at a time, and never while an op that it follows is still queued.
//	W2: an op leaves the queue only when Do returned nil or Gone for it and it was not touched meanwhile, or by Remove.
//	W3: an op touched while it runs runs once more afterwards.
//	W4: of the ops that may start, the one with the oldest unsent change starts first.
//	W5: an op that is not held starts, when nothing else hinders it, at latest MaxQuiet after its oldest unsent change;
//	    after a refusal, after the oldest change since.
//	W6: while the queue is offline nothing starts; back online everything that waited for it starts in the order of W4.
//	W7: a time that the service asked for (Retry-After) is waited for by everything, Kick included.
//
// The life of an op, with the function that makes each move:
//
//	    Add                    start            finish (nil, Gone)
//	──────────► waiting ─ready ──────► running ──────────────────► gone from the queue
//	            │  ▲  ▲                 │ │ │
//	  After/Lane│  │  └──finish(Retry)──┘ │ └─finish(Refused)─► refused ──Touch, Kick, RefusedRetry──► waiting
//	            ▼  │                      │
//	          blocked ◄───────────────────┘ (touched while running, and behind another op by now)
//
// Locks: Queue.mu is the only one; Do, Classify, Probe and OnOnline are called without it.
package writeback
