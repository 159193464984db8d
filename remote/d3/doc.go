// Package d3 is the client of the DragDropDo Business API, of the public service and of a hub: files are sent, an
// operation is done with them, its results are fetched. The shapes of the wire (wire/d3.md) are private to it.
//
// One conversion is
//
//	Upload    initiate-upload, presigned PUTs, complete-upload; nothing of it where the service holds the content already
//	Do        the operation; answers a task
//	Wait      status until the task has ended; a webhook ends the wait, or makes the next question come at once
//	Download  the results
//
// Invariants:
//
//	B1: the key reaches the origin of Config.BaseURL only, no store and no other host, and no error or log line; so do
//	    passwords. Links are as secret as keys.
//	B2: an operation is sent once: it costs money. Again only where it is proven that it was not done (httpx X3).
//	B3: an answer without what was asked for is an error, never an empty success.
//	B4: content that the service holds is not sent again while its key lives: not twice at the same time, and not
//	    within Config.HeldFor, be it a source or a result; a key that the service does not know is forgotten.
//	B5: a wait ends with its task or with its context, and with an error after Config.PollGrace without an answer.
//	B6: a webhook counts only where Config.WebhookSecret has signed it. One that tells all of a task that has ended, with
//	    its results at the service's own origin, ends the wait for it; any other wakes who waits, and status tells. While
//	    webhooks arrive status is asked for more slowly; where one does not, as often as without them.
//	B7: what was asked of supported-operation is not asked again within Config.AskedFor.
//
// Nothing of a wait outlives the process: a webhook that comes for a task of an earlier one is acknowledged, and means nothing.
//
// Locks: Client.mu, held.mu, waits.mu and asked's own are leaves; no request is made under one.
package d3
