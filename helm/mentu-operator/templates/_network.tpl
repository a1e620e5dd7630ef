{{/* The spec, without a podSelector, of the policy that the executor gives agent pods. */}}
{{- define "mentu.agentsNetworkPolicy" -}}
{{- $policy := .Values.networkPolicy -}}
policyTypes: [Ingress, Egress]
ingress: []
egress:
  - to:
      {{- toYaml $policy.dns.to | nindent 6 }}
    ports:
      {{- range $policy.dns.ports }}
      - {port: {{ . }}, protocol: UDP}
      - {port: {{ . }}, protocol: TCP}
      {{- end }}
  - to:
      - namespaceSelector:
          matchLabels: {kubernetes.io/metadata.name: {{ .Release.Namespace }}}
        podSelector:
          matchLabels:
            {{- include "mentu.selector" . | nindent 12 }}
            app.kubernetes.io/component: {{ include "mentu.gatewayComponent" . }}
    ports:
      - {port: 8080, protocol: TCP}
  {{- if $policy.internetPorts }}
  - to:
      - ipBlock:
          cidr: 0.0.0.0/0
          {{- if $policy.blockPrivateRanges }}
          except: {{ toJson $policy.privateRanges.ipv4 }}
          {{- end }}
      - ipBlock:
          cidr: ::/0
          {{- if $policy.blockPrivateRanges }}
          except: {{ toJson $policy.privateRanges.ipv6 }}
          {{- end }}
    ports:
      {{- range $policy.internetPorts }}
      - {port: {{ . }}, protocol: TCP}
      {{- end }}
  {{- end }}
  {{- with $policy.extraEgress }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Who may send to the gateway, and read from it. */}}
{{- define "mentu.toGateway" -}}
- from:
    - namespaceSelector: {}
      podSelector:
        matchExpressions:
          - {key: mentu.dev/role, operator: Exists}
    - podSelector:
        matchLabels:
          {{- include "mentu.selector" . | nindent 10 }}
          app.kubernetes.io/component: test
    {{- with .Values.networkPolicy.executor.gatewayFrom }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  ports:
    - {port: 8080, protocol: TCP}
{{- end }}
