// Package faultproxy breaks HTTP on purpose, for tests: as an http.RoundTripper inside a client, or as a proxy between a
// client and a server. It is imported by tests only.
//
// Invariants:
//
//	P1: which requests are struck follows from the rules, their order and the seed alone, not from time.
//	P2: a fault strikes once per exchange, and what is not struck passes unchanged.
//	P3: Lost does the work and hides the answer; Refused and Status never reach the server.
package faultproxy
