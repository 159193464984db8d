// Package d3 is the D3 wire of the hub: all generations of the Business API side by side, and our own additions
// (wire/d3.md). It maps requests to store and objects, and does the jobs that the store keeps; it keeps nothing itself.
//
//	/api/v1, /v1/biz, /v1/external    the calls; upload is initiate-upload
//	/v1/upload/{file}                 the bytes of an upload, by a signed URL
//	/v1/download/{file}               a result, by its key alone
//	/v1/developer                     keys and webhooks
//	/mcp                              the calls as tools of the Model Context Protocol
//
// Invariants; T1 to T9 are the points of wire/d3.md §16:
//
//	T1: every call is answered alike under the three prefixes.
//	T2: a key opens in three headers; PUT and download URLs need none, and are unguessable.
//	T3: an answer is a JSON object with its fields twice, at the top level and in data, and without null; an error is
//	    {error, message, code}.
//	T4: an upload has exactly the parts that were asked for, of any lengths that make up its size; a PUT answers an ETag.
//	    Parts of 5 MiB or more on average go to the object store itself where it can sign for them; it takes no smaller
//	    one but the last.
//	T5: an upload is completed by its key alone, and none of its bytes is moved for that; what else is said must fit.
//	T6: null and "" in a request are nothing; actions have no case; a parameter is never silently ignored.
//	T7: states are four lower-case words; a result is there, durable and whole, before its task is completed.
//	    While it is running it has its progress in percent, as far as its engine tells: our addition, which no client needs.
//	T8: supported-operation tells what do takes, options included.
//	T9: what is not there, and what is another key's, is 404 alike.
//	T10: a task that was accepted ends, whatever dies: it is completed, or failed with a reason.
//	T11: what has expired is gone, but for the sources of a task that is not finished. The time of an upload begins
//	    anew when it is completed.
//	T12: an event is delivered at least once or given up after DeliveryAttempts, signed, and never to an address that is
//	    not public, unless the hub was told otherwise.
//	T13: a password is in the database only until its task is finished, and in no log and no answer.
//	T14: a tool is a call of the wire, with the same key, limits and sentences; a message of /mcp leaves nothing behind in the
//	    hub, and is the caller's whose key it brings, whatever other message came before.
//	T15: a hub that has just begun waits for its engines, for a while, before it says that something cannot be done.
//
// States of a task (the function that makes the move):
//
//	        do              Task             Task
//	(none) ----> queued ----------> running ------> completed, failed
//	   |                              ^  |
//	   | do: cannot be done           +--+ Task, after a death
//	   +------------------------------------------> failed
package d3
