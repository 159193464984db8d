// Package d3 is the client of the DragDropDo Business API, of the public service and of a hub: files are sent, an
// operation is done with them, its results are fetched. The shapes of the wire (wire/d3.md) are private to it.
//
// One conversion is
//
//	Upload    initiate-upload, presigned PUTs, complete-upload; nothing of it where the service holds the content already
//	Do        the operation; answers a task
//	Wait      status until the task has ended; a webhook makes the next question come sooner
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
//	B6: a webhook wakes who waits and says nothing: what a task is, only status tells.
//	B7: what was asked of supported-operation is not asked again within Config.AskedFor.
//
// Locks: Client.mu, held.mu, waits.mu and asked's own are leaves; no request is made under one.
package d3
