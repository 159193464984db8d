// Package httpx is the transport that every client of a service uses: credentials, retries, rate and bandwidth limits,
// time-outs, redirects, redaction and metrics.
//
// It knows HTTP and the kinds of error of package remote; it knows no service. It never retries what could be done twice,
// and never writes to a log or an error what a credential is made of.
//
// Invariants:
//
//	X1: a credential is sent only to the origin (scheme, host, port) of Config.BaseURL, and never again in a call that a
//	    redirect has led away from it, nor with a signed URL.
//	X2: no error and no log line holds a credential, the query of an URL, or a text of Request.Hide.
//	X3: a request is sent a second time only when Request.Repeat allows it, when it is proven that it was not sent, or when
//	    the service refused it unread (429).
//	X4: nothing waits without an end: connecting, the answer's head, each stretch of a body and the turn in the rate limit
//	    have time-outs of their own.
//	X5: when a call returns, nothing reads its request body any more.
//	X6: every error is an *remote.Error; a call that its context ended has the context's error as the cause.
//
// Locks: bucket.mu and watchdog.mu are leaves.
package httpx
