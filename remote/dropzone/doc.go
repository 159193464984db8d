// Package dropzone is the client of the Dropzone API: of the public service in each of its generations, and of a hub with
// the abilities that a hub adds. It maps the wire's shapes to the domain and lets none of them out.
//
// The generations (wire/dropzone.md §1) differ in their paths and in how a request says who it is:
//
//	g0  /api      the drop's id in the path, no credentials; the key in the body of create; a form carries the bytes
//	g1  /api      the drop's id in the path; x-api-key for create only; presigned uploads
//	g2  /api/v1   x-dropzone-id names the drop; x-api-key for create and update
//	g3  /api/v1   the drop's id in the path; x-api-key for all
//	auto          g3 where there is a key, g2 where there is none, both headers; the other when a route proves unknown
//
// Invariants:
//
//	D1: key and drop ids reach the service's own origin only (httpx X1), and no error or log line.
//	D2: a listing is complete or an error: an answer without a list of files is never an empty drop.
//	D3: an ability of a hub is used only where its answer announced it.
//	D4: a confirm that failed is checked against the file's own state before it is reported.
//	D5: the least number of requests: one to reserve, one to send, one to confirm; one a listing; one a download.
//
// Locks: Client.mu guards what was learned about the service; it is never held during a request.
package dropzone
