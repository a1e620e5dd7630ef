{{- define "mentu.agentName" -}}
{{ include "mentu.fullname" . }}-default-agent
{{- end }}

{{- define "mentu.agent" -}}
{{- $values := .Values.defaultAgent -}}
apiVersion: mentu.dev/v1alpha1
kind: Agent
metadata:
  name: {{ $values.name }}
  labels:
    {{- include "mentu.labels" . | nindent 4 }}
spec:
  command: [claude]
  transcript: ClaudeCode
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  {{- with $values.baseURL }}
  baseURL: {{ . }}
  {{- end }}
  {{- with $values.credentialSecret }}
  {{- if .name }}
  credential: {secretName: {{ .name }}, key: {{ .key }}, env: {{ .env }}}
  {{- end }}
  {{- end }}
  {{- with $values.env }}
  env:
    {{- range $name, $value := . }}
    - {name: {{ $name }}, value: {{ $value | quote }}}
    {{- end }}
  {{- end }}
{{- end }}
