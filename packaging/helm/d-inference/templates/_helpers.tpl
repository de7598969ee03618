{{- define "dinf.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "dinf.selector" . }}
{{- end }}

{{- define "dinf.selector" -}}
app.kubernetes.io/name: d-inference
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The pods of the hubs, as the nats chart labels them. */}}
{{- define "dinf.hubSelector" -}}
app.kubernetes.io/name: nats
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: nats
{{- end }}

{{/* The plan of the network as JSON, if it is that of this release. */}}
{{- define "dinf.plan" -}}
{{- if not .Values.networkPlan }}
{{- fail "Give the values that \"dinf network init --helm\" wrote: -f values.yaml" }}
{{- end }}
{{- $pods := printf ".%s-hub-headless" .Release.Name }}
{{- range .Values.networkPlan.hubs }}
{{- if not (hasSuffix $pods .privateHost) }}
{{- fail (printf "The values are not those of the release %s: run \"dinf network init --helm %s\"" $.Release.Name $.Release.Name) }}
{{- end }}
{{- end }}
{{- toPrettyJson .Values.networkPlan }}
{{- end }}

{{- define "dinf.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "dinf.databaseSecret" -}}
{{- with .Values.database -}}
{{- if not (or .existingSecret .url) }}{{ fail "Set database.existingSecret or database.url" }}{{ end -}}
{{ .existingSecret | default (printf "%s-database" $.Release.Name) }}
{{- end }}
{{- end }}

{{/*
The spec of a pod that runs the program. Takes root, components, args and resources, and optionally
probes and restartPolicy.
*/}}
{{- define "dinf.pod" -}}
{{- $root := .root -}}
{{- $components := .components -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .restartPolicy }}
restartPolicy: {{ . }}
{{- end }}
# An ingress ends its running answers, and every part its connections, within this time.
terminationGracePeriodSeconds: 60
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: coordinator
    image: {{ include "dinf.image" $root | quote }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args: {{ toJson .args }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    ports:
      {{- if has "ingress" $components }}
      - {name: api, containerPort: 8080}
      {{- end }}
      - {name: metrics, containerPort: {{ $root.Values.metricsPort }}}
    env:
      - {name: DINF_METRICS_HOST, value: '0.0.0.0'}
      - {name: DINF_METRICS_PORT, value: {{ $root.Values.metricsPort | quote }}}
      - name: DINF_PUBLIC_URL
        value: {{ required "Set publicUrl, for example https://api.example.org" $root.Values.publicUrl | quote }}
      {{- range $name, $value := $root.Values.env }}
      - name: {{ $name }}
        value: {{ $value | quote }}
      {{- end }}
      {{- if ne (join "," $components) "ingress" }}
      - name: DATABASE_URL
        valueFrom:
          secretKeyRef:
            name: {{ include "dinf.databaseSecret" $root }}
            key: DATABASE_URL
      {{- end }}
    {{- $references := list }}
    {{- range $source := $root.Values.secretEnv }}
    {{- range $components }}
    {{- if has . $source.components }}
    {{- $references = append $references (dict "secretRef" $source.secretRef) | uniq }}
    {{- end }}
    {{- end }}
    {{- end }}
    {{- with $references }}
    envFrom: {{ toYaml . | nindent 6 }}
    {{- end }}
    {{- with .probes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    resources: {{ toYaml .resources | nindent 6 }}
    volumeMounts:
      - name: plan
        mountPath: /var/lib/d-inference/network-plan.json
        subPath: network-plan.json
        readOnly: true
      - {name: keys, mountPath: /var/lib/d-inference/keys, readOnly: true}
      - {name: tmp, mountPath: /tmp}
volumes:
  - name: tmp
    emptyDir: {}
  - name: plan
    configMap:
      name: {{ $root.Release.Name }}-plan
  - name: keys
    projected:
      # Read by the group, which is fsGroup.
      defaultMode: 0440
      sources:
        - secret: {{ include "dinf.files" (dict "name" (printf "%s-core" $root.Release.Name)
            "files" (list "core.creds" "hub-ca.pem")) | nindent 12 }}
        {{- if has "trust" $components }}
        - secret: {{ include "dinf.files" (dict "name" (printf "%s-trust" $root.Release.Name)
            "files" $root.Values.secretFiles.trust) | nindent 12 }}
        {{- end }}
        {{- if has "settlement" $components }}
        - secret: {{ include "dinf.files" (dict "name" (printf "%s-receipts" $root.Release.Name)
            "files" $root.Values.secretFiles.receipts "folder" "receipts/") | nindent 12 }}
        {{- end }}
{{- end }}

{{/* A source of a projected volume: these files of the secret, in this folder. */}}
{{- define "dinf.files" -}}
{{- $folder := .folder | default "" -}}
name: {{ .name }}
items:
  {{- range .files }}
  - {key: {{ . | quote }}, path: {{ printf "%s%s" $folder . | quote }}}
  {{- end }}
{{- end }}
