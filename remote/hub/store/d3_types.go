package store

import (
	"encoding/json"
	"time"
)

// D3File is a file of the D3 wire: an upload, or the result of a task.
type D3File struct {
	ID       string // the file key
	Owner    string // Key.ID
	Name     string
	Type     string // as declared
	Size     int64  // bytes
	Parts    int    // as announced; 0 of a result
	UploadID string // the wire's; "" of a result
	Obj      string // the object that holds the bytes, or the first of them; "" while they have not arrived
	ETag     string // without quotes; "" while they have not arrived, and of an upload in several parts
	Created  time.Time
	Expires  time.Time
}

// Ready tells whether all bytes are there.
func (f D3File) Ready() bool { return f.Obj != "" }

// D3Object is an object that belongs to a file: a part of an upload, number 1 and up, or a result, number 0.
type D3Object struct {
	Key  string
	File string
	N    int
	Size int64  // bytes; -1: being received
	ETag string // without quotes
	// UploadID is the object store's name for a multipart upload, whose parts clients send there; "": none is open.
	UploadID string
}

// Words for the state of an operation and of a task (wire/d3.md §8).
const (
	D3Queued    = "queued"
	D3Running   = "running"
	D3Completed = "completed"
	D3Failed    = "failed"
)

// D3Op is one operation: a main task.
type D3Op struct {
	ID      string
	Owner   string // Key.ID
	Action  string
	Notes   json.RawMessage // an object, or nil
	Base    string          // the hub's address as the client saw it
	Status  string
	Created time.Time
	Expires time.Time
	Tasks   []D3Task
}

// D3Task is one file task of an operation.
type D3Task struct {
	ID       string
	Op       string
	Owner    string
	Seq      int
	Inputs   []string // file keys
	Step     string   // what is to be done, as the wire's package wrote it; "" once it is finished (T4 of package d3)
	Name     string   // of the result
	Output   string   // file key; "" none yet
	Size     int64    // of the result
	Status   string
	Code     string // of a failure
	Message  string
	Attempts int // how often it was begun
}

// Finished tells whether nothing more happens to the task.
func (t D3Task) Finished() bool { return t.Status == D3Completed || t.Status == D3Failed }

// D3Result is how a task ended: with a file, or with a code and a message.
type D3Result struct {
	File    D3File
	Code    string // "": it succeeded
	Message string
}

// D3Event is something that webhooks are told of.
type D3Event struct {
	Type    string
	Payload []byte // the body as it is sent
}

// D3Hook is a webhook of a key.
type D3Hook struct {
	ID      string
	Owner   string // Key.ID
	URL     string
	Secret  string // that signs; "" none
	Created time.Time
}

// D3Delivery is an event on its way to a webhook.
type D3Delivery struct {
	ID      int64
	Hook    D3Hook
	Event   D3Event
	Attempt int // how often it was tried
	Done    bool
}

// D3Attempt is one try of a delivery.
type D3Attempt struct {
	Event     string
	URL       string
	Payload   string
	Status    int // of the answer; 0 none
	Number    int // from 1
	Succeeded bool
	Message   string // why not
	Sent      time.Time
}
