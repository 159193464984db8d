// Package web is what all wires of the hub share in HTTP: routes that answer every error in their own shape, bodies that
// are bounded, connections that may be slow but not stand still, and the record of each request.
//
// Invariants:
//
//	W1: whatever is asked, the answer is never an HTML page and never an error without a body; what a route or the
//	    standard library answers in plain text takes the error shape of the wire.
//	W2: no secret is logged: of a query only the names of its parameters.
//	W3: a connection that moves no byte for StallTimeout is broken off; one that moves is not, however long it takes.
package web
