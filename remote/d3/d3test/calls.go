package d3test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// write answers in the envelope, the case and with the nulls that were asked for. A value nil is absent.
func (s *Server) write(w http.ResponseWriter, v map[string]any) {
	in := s.spell(v)
	out := map[string]any{}
	switch s.Quirks.Envelope {
	case Bare:
		out = in
	case Both:
		for k, x := range in {
			out[k] = x
		}
		out["data"] = in
	default:
		out["data"] = in
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(out)
}

func (s *Server) spell(v map[string]any) map[string]any {
	out := map[string]any{}
	for k, x := range v {
		if x == nil && !s.Quirks.Nulls {
			continue
		}
		switch in := x.(type) {
		case map[string]any:
			x = s.spell(in)
		case []map[string]any:
			l := []any{}
			for _, e := range in {
				l = append(l, s.spell(e))
			}
			x = l
		}
		out[s.name(k)] = x
	}
	return out
}

func (s *Server) name(k string) string {
	if !s.Quirks.Camel {
		return k
	}
	parts := strings.Split(k, "_")
	for i, p := range parts[1:] {
		parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
	}
	return strings.Join(parts, "")
}

func (s *Server) fail(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": http.StatusText(status), "message": message, "code": status})
}

// id makes an identifier of the length that real ones have.
func (s *Server) idLocked(kind string) string {
	s.counter++
	return fmt.Sprintf("%s_%027d", kind, s.counter)
}

func (s *Server) initiate(w http.ResponseWriter, body map[string]any) {
	name, _ := body["file_name"].(string)
	typ, _ := body["mime_type"].(string)
	size, sized := body["size"].(float64)
	parts, _ := body["parts"].(float64)
	if name == "" || typ == "" || !sized || size < 0 || parts < 1 {
		s.fail(w, http.StatusBadRequest, "file_name, size, mime_type and parts are needed")
		return
	}
	s.mu.Lock()
	key := s.idLocked("in")
	s.files[key] = &file{name: name, parts: make([][]byte, int(parts))}
	s.mu.Unlock()
	urls := []string{}
	for i := range int(parts) {
		urls = append(urls, fmt.Sprintf("%s/store/%s/%d?X-Amz-Signature=sekrit-of-the-store", s.second.URL, key, i))
	}
	var object any = "external/" + key
	if s.Quirks.NoObject {
		object = nil
	}
	s.write(w, map[string]any{"file_key": key, "upload_id": "upload-of-" + key, "presigned_urls": urls, "object_name": object})
}

func (s *Server) completeUpload(w http.ResponseWriter, body map[string]any) {
	key, _ := body["file_key"].(string)
	id, _ := body["upload_id"].(string)
	parts, _ := body["parts"].([]any)
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[key]
	switch {
	case f == nil || id != "upload-of-"+key:
		s.fail(w, http.StatusNotFound, "no such upload")
		return
	case f.complete:
		s.fail(w, http.StatusConflict, "complete already")
		return
	case len(parts) != len(f.parts) || !s.Quirks.NoObject && body["object_name"] != "external/"+key:
		s.fail(w, http.StatusBadRequest, "other parts or another object")
		return
	}
	for i, p := range parts {
		m, _ := p.(map[string]any)
		if m["etag"] != etagOf(f.parts[i]) || m["part_number"] != float64(i+1) {
			s.fail(w, http.StatusBadRequest, "InvalidPart")
			return
		}
		if i < len(parts)-1 && len(f.parts[i]) < s.Quirks.MinPart {
			s.fail(w, http.StatusBadRequest, "EntityTooSmall")
			return
		}
	}
	f.body, f.complete = bytes.Join(f.parts, nil), true
	s.write(w, map[string]any{"message": "Upload completed successfully", "file_key": key})
}

func (s *Server) supported(w http.ResponseWriter, body map[string]any) {
	ext, _ := body["ext"].(string)
	action, _ := body["action"].(string)
	parameters, _ := body["parameters"].(map[string]any)
	v := map[string]any{"supported": true, "ext": ext}
	if s.Support != nil {
		v = s.Support(ext, action, parameters)
	}
	s.write(w, v)
}

func (s *Server) do(w http.ResponseWriter, body map[string]any) {
	op := Operation{}
	op.Action, _ = body["action"].(string)
	op.Parameters, _ = body["parameters"].(map[string]any)
	if notes, ok := body["notes"].(map[string]any); ok {
		op.Notes = map[string]string{}
		for k, v := range notes {
			op.Notes[k] = fmt.Sprint(v)
		}
	}
	keys, _ := body["file_keys"].([]any)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range keys {
		f := s.files[fmt.Sprint(k)]
		if f == nil || !f.complete {
			s.fail(w, http.StatusNotFound, "file not found")
			return
		}
		if s.Quirks.NoResults && strings.HasPrefix(fmt.Sprint(k), "out_") {
			s.fail(w, http.StatusBadRequest, "invalid file_keys")
			return
		}
		op.Names, op.Inputs = append(op.Names, f.name), append(op.Inputs, f.body)
	}
	s.last = op
	t := &task{id: s.idLocked("main")}
	work := s.Work
	if work == nil {
		work = Describe
	}
	t.files = work(op)
	for _, f := range t.files {
		key := fmt.Sprint(keys[0])
		if f.Code == "" {
			key = s.idLocked("out")
			s.files[key] = &file{name: key, body: f.Body, complete: true}
		}
		t.keys = append(t.keys, key)
	}
	s.tasks[t.id] = t
	s.write(w, map[string]any{"main_task_id": t.id})
}

// Describe makes of each input a text that tells what was done; of all together for merge and zip.
func Describe(op Operation) []File {
	inputs := op.Inputs
	if op.Action == "merge" || op.Action == "zip" {
		inputs = [][]byte{bytes.Join(op.Inputs, []byte("+"))}
	}
	var out []File
	for _, in := range inputs {
		p, _ := json.Marshal(op.Parameters)
		out = append(out, File{Body: fmt.Appendf(nil, "%s %s of %s", op.Action, p, in)})
	}
	return out
}

func (s *Server) status(w http.ResponseWriter, arg string) {
	id, key, _ := strings.Cut(arg, "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[id]
	if t == nil {
		s.fail(w, http.StatusNotFound, "no such task")
		return
	}
	polls := s.Polls
	if polls == nil {
		polls = []string{"queued", "running"}
	}
	if t.polls++; t.polls <= len(polls) {
		s.write(w, map[string]any{"operation_status": s.word(polls[t.polls-1]), "files_data": nil})
		return
	}
	done, files := 0, []map[string]any{}
	for i, f := range t.files {
		v := map[string]any{"file_key": t.keys[i], "status": s.word("completed"), "download_link": s.link(t.keys[i]), "error_code": nil, "error_message": nil}
		if f.Code != "" {
			v = map[string]any{"file_key": t.keys[i], "status": s.word("failed"), "download_link": nil, "error_code": f.Code, "error_message": f.Message}
		} else {
			done++
		}
		if key == "" || key == t.keys[i] {
			files = append(files, v)
		}
	}
	state := "completed"
	switch {
	case done == 0:
		state = "failed"
	case done < len(t.files):
		state = "partially_completed"
	}
	s.write(w, map[string]any{"operation_status": s.word(state), "files_data": files})
}

func (s *Server) word(state string) string {
	if w, ok := s.Quirks.Words[state]; ok {
		return w
	}
	return state
}

func (s *Server) link(key string) string {
	switch path := "/v1/download/" + key; {
	case s.Quirks.Relative:
		return path
	case s.Quirks.Elsewhere:
		return s.second.URL + path + "?signature=sekrit-of-the-store"
	default:
		return s.api.URL + path
	}
}

func (s *Server) download(w http.ResponseWriter, r *http.Request, key string) {
	if s.strike(w, "download") {
		return
	}
	s.mu.Lock()
	f := s.files[key]
	s.mu.Unlock()
	if f == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("ETag", `"`+etagOf(f.body)+`"`)
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(bytes.NewReader(f.body), 0, int64(len(f.body))))
}
