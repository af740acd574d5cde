"""The renderer's programs, in GLSL 3.30.

All of them share the block Frame, 16-byte aligned (std140). Light is linear; what is written is
sRGB. Nothing here takes noise or derivatives with a high gain, so drivers agree to a grey level.
"""

MOST_BONES = 128
SPHERES = 24  # balls that stand for figures where they take away sky light

FRAME = """
#version 330
layout(std140) uniform Frame {
    mat4 clip_from_ground;
    mat4 shadow_from_ground;
    mat4 ambient_red, ambient_green, ambient_blue;
    vec4 eye;            // m; exposure
    vec4 sun;            // direction towards it; softness of its shadow, texels
    vec4 sun_colour;     // what it adds to a white surface
    vec4 floor_map;      // corner x, z of the map of the floor's light, m; 1 / its side
    vec4 ray_x, ray_y, ray_z;  // ground direction of (pixel x, pixel y, 1)
    vec4 room_middle;    // m
    vec4 room_half;      // m
    vec4 backdrop;       // heading, rad; width, height of a photograph, rad; 0: a panorama
    vec4 haze_m;         // where the floor begins to be part of the backdrop, where it is all
};
"""

AMBIENT = """
vec3 ambient(vec3 n) {
    vec4 v = vec4(n, 1);
    return max(vec3(dot(v, ambient_red * v), dot(v, ambient_green * v),
                    dot(v, ambient_blue * v)), 0.0);
}
"""

BALLS = f"""
layout(std140) uniform Balls {{ vec4 balls[{SPHERES}]; }};  // middle and radius, m
// How much of the sky's light a place gets past the balls.
float open_to_sky(vec3 place, vec3 n) {{
    float open = 1.0;
    for (int i = 0; i < {SPHERES}; i++) {{
        vec3 to = balls[i].xyz - place;
        float radius2 = balls[i].w * balls[i].w;
        float far2 = max(dot(to, to), radius2);
        open *= 1.0 - 0.9 * min(max(dot(to, n), 0.0) * inversesqrt(far2) * radius2 / far2, 1.0);
    }}
    return open;
}}
"""

SKIN_VERTEX = (
    FRAME
    + AMBIENT
    + BALLS
    + f"""
layout(std140) uniform Bones {{ vec4 rows[{3 * MOST_BONES}]; }};"""
    + """
in vec3 in_position;
in vec3 in_normal;
in uvec4 in_bones_a, in_bones_b;
in vec4 in_weights_a, in_weights_b;
out vec3 position;
out vec3 normal;
out vec3 sky;  // what a white surface sends out without the sun
vec4 x = vec4(0), y = vec4(0), z = vec4(0);
void add(uint bone, float weight) {
    int row = int(bone) * 3;
    x += weight * rows[row];
    y += weight * rows[row + 1];
    z += weight * rows[row + 2];
}
void main() {
    for (int i = 0; i < 4; i++) add(in_bones_a[i], in_weights_a[i]);
    for (int i = 0; i < 4; i++) add(in_bones_b[i], in_weights_b[i]);
    vec4 p = vec4(in_position, 1);
    position = vec3(dot(x, p), dot(y, p), dot(z, p));
    normal = normalize(vec3(dot(x.xyz, in_normal), dot(y.xyz, in_normal), dot(z.xyz, in_normal)));
    sky = ambient(normal) * open_to_sky(position, normal);
}
"""
)

SHADOW_VERTEX = (
    FRAME
    + """
in vec3 in_position;
void main() { gl_Position = shadow_from_ground * vec4(in_position, 1); }
"""
)
SHADOW_FRAGMENT = "#version 330\nvoid main() {}\n"

SCREEN_VERTEX = """
#version 330
in vec2 in_corner;
out vec2 corner;
void main() { corner = in_corner; gl_Position = vec4(in_corner, 1.0, 1.0); }
"""

SUNLIT = """
uniform sampler2DShadow shadow_map;

// Place in the shadow map, moved towards the light by `lift` m; z is 2 where nothing is known.
vec3 in_shadow_map(vec3 place, vec3 n, float lift) {
    vec4 at = shadow_from_ground * vec4(place + (n + sun.xyz) * lift, 1);
    bool outside = max(max(abs(at.x), abs(at.y)), at.z) >= 1.0;
    return outside ? vec3(0.5, 0.5, 0.0) : at.xyz * 0.5 + 0.5;
}
"""

FLOOR_MAP_FRAGMENT = (
    FRAME
    + BALLS
    + SUNLIT
    + """
in vec2 corner;
out vec2 light;  // of the sky, of the sun
void main() {
    vec3 place = vec3(floor_map.x + (corner.x * 0.5 + 0.5) / floor_map.z, 0.0,
                      floor_map.y + (corner.y * 0.5 + 0.5) / floor_map.z);
    vec3 up = vec3(0, 1, 0);
    vec3 p = in_shadow_map(place, up, 0.004);
    float step = sun.w / float(textureSize(shadow_map, 0).x);
    float sunlit = 0.0;
    for (int i = -1; i < 2; i += 2)
        for (int j = -1; j < 2; j += 2)
            sunlit += texture(shadow_map, p + vec3(i, j, 0) * step);
    float edge = max(abs(corner.x), abs(corner.y));  // the map ends without a seam
    light = mix(vec2(open_to_sky(place, up), sunlit / 4.0), vec2(1), smoothstep(0.85, 1.0, edge));
}
"""
)

COLOUR = """
vec3 to_linear(vec3 c) { return c * (c * (c * 0.305306 + 0.682171) + 0.012523); }

vec3 to_screen(vec3 light) {
    vec3 c = max(light * eye.w, 0.0);
    c = (c * (2.51 * c + 0.03)) / (c * (2.43 * c + 0.59) + 0.14);  // Narkowicz 2016, filmic
    vec3 a = sqrt(min(c, 1.0)), b = sqrt(a);
    return clamp(0.662003 * a + 0.684122 * b - 0.323584 * sqrt(b) - 0.022541 * c, 0.0, 1.0);
}
"""

SHADE = """
// sky: what a white surface sends out without the sun; sunlit: how much of the sun it sees.
vec3 shade(vec3 albedo, vec3 place, vec3 n, float gloss, vec3 sky, float sunlit) {
    vec3 view = normalize(eye.xyz - place);
    float facing = max(dot(n, sun.xyz), 0.0) * sunlit;
    float edge = 1.0 - max(dot(n, view), 0.0);
    float mirror = gloss * (0.1 + 1.5 * edge * edge * edge * edge);
    float sharp = 6.0 + 120.0 * gloss * gloss;
    float glint = pow(max(dot(n, normalize(sun.xyz + view)), 0.0), sharp) * (sharp + 8.0);
    return albedo * (sky + sun_colour.rgb * facing) + mirror * sky
        + gloss * 0.005 * glint * facing * sun_colour.rgb;
}
"""

FAR = """
uniform sampler2D panorama;
uniform sampler2D photograph;

vec3 far_away(vec3 direction) {
    float azimuth = atan(direction.z, direction.x) - backdrop.x;
    float height = asin(clamp(direction.y, -1.0, 1.0));
    if (backdrop.w > 0.5) {
        azimuth -= 6.28318531 * floor(azimuth * 0.15915494 + 0.5);
        vec2 at = vec2(azimuth / backdrop.y + 0.5, 0.62 - height / backdrop.z);
        at.x = 1.0 - abs(mod(at.x, 2.0) - 1.0);  // mirrored beyond its edges
        return textureLod(photograph, clamp(at, 0.005, 0.995), 0.0).rgb;
    }
    vec2 at = vec2(azimuth * 0.15915494 + 0.5, 0.5 - height * 0.31830989);
    return to_screen(textureLod(panorama, at, 0.0).rgb);
}
"""

FIGURE_VERTEX = (
    FRAME
    + """
in vec3 in_position;
in vec3 in_normal;
in vec3 in_sky;
in vec2 in_uv;
out vec3 place;
out vec3 normal;
out vec3 sky;
out vec2 uv;
void main() {
    place = in_position;
    normal = in_normal;
    sky = in_sky;
    uv = in_uv;
    gl_Position = clip_from_ground * vec4(in_position, 1);
}
"""
)

FIGURE_FRAGMENT = (
    FRAME
    + SUNLIT
    + COLOUR
    + SHADE
    + """
uniform sampler2D surface;
uniform vec4 tint;    // linear RGB, gloss
uniform vec2 marks;   // opacity below this is a hole; what is written to alpha
in vec3 place;
in vec3 normal;
in vec3 sky;
in vec2 uv;
out vec4 colour;
void main() {
    vec4 seen = texture(surface, uv);
    if (seen.a < marks.x) discard;
    vec3 n = gl_FrontFacing ? normalize(normal) : -normalize(normal);
    vec3 p = in_shadow_map(place, n, 0.018);
    float step = 0.5 * sun.w / float(textureSize(shadow_map, 0).x);
    float sunlit = 0.5 * (texture(shadow_map, p + vec3(step, step, 0))
                        + texture(shadow_map, p - vec3(step, step, 0)));
    vec3 around = gl_FrontFacing ? sky : 0.5 * sky;
    vec3 light = shade(to_linear(seen.rgb) * tint.rgb, place, n, tint.a, around, sunlit);
    colour = vec4(to_screen(light), marks.y);
}
"""
)

SOLID_VERTEX = (
    FRAME
    + AMBIENT
    + """
in vec3 in_position;
in vec3 in_normal;
in vec2 in_uv;
in float in_shade;
uniform float scale;  // of the texture, 1/m
out vec3 place;
flat out vec3 normal;
flat out vec3 sky;
out vec2 uv;
flat out float part;
void main() {
    place = in_position;
    normal = in_normal;
    sky = ambient(in_normal);
    uv = in_uv * scale;
    part = in_shade;
    gl_Position = clip_from_ground * vec4(in_position, 1);
}
"""
)

SOLID_START = (
    COLOUR
    + SHADE
    + """
uniform sampler2D surface;
uniform vec4 tint;  // linear RGB, gloss
in vec3 place;
flat in vec3 normal;
flat in vec3 sky;
in vec2 uv;
flat in float part;
out vec4 colour;

// Corners of a room see less of its light.
float corners() {
    vec3 gap = max(room_half.xyz - abs(place - room_middle.xyz), 0.0) + abs(normal) * 10.0;
    vec3 dark = vec3(1) / (vec3(1) + 2.5 * gap);
    dark *= dark;
    return (1.0 - 0.5 * dark.x) * (1.0 - 0.5 * dark.y) * (1.0 - 0.5 * dark.z);
}
"""
)

FLOOR_FRAGMENT = (
    FRAME
    + SOLID_START
    + FAR
    + """
uniform sampler2D floor_light;
void main() {
    vec2 at = (place.xz - floor_map.xy) * floor_map.z;
    vec2 seen = texture(floor_light, at).rg;
    vec3 albedo = to_linear(texture(surface, uv).rgb) * tint.rgb;
#ifdef OPEN_AIR
    vec3 screen = to_screen(shade(albedo, place, normal, tint.a, sky * seen.r, seen.g));
    float haze = smoothstep(haze_m.x, haze_m.y, length(place.xz - eye.xz));
    colour = vec4(mix(screen, far_away(normalize(place - eye.xyz)), haze), 0.0);
#else
    vec3 around = sky * seen.r * corners();
    colour = vec4(to_screen(shade(albedo, place, normal, tint.a, around, seen.g)), 0.0);
#endif
}
"""
)
OPEN_FLOOR_FRAGMENT = FLOOR_FRAGMENT.replace("#version 330", "#version 330\n#define OPEN_AIR")

WALL_FRAGMENT = (
    FRAME
    + SOLID_START
    + """
uniform float hole;  // opacity below this is a window
void main() {
    vec4 seen = texture(surface, uv);
    if (seen.a < hole) discard;
    vec3 albedo = to_linear(seen.rgb) * tint.rgb;
    colour = vec4(to_screen(shade(albedo, place, normal, tint.a, sky * corners(), 1.0)), 0.0);
}
"""
)

THING_FRAGMENT = (
    FRAME
    + SUNLIT
    + SOLID_START
    + """
void main() {
    vec3 albedo = to_linear(texture(surface, uv).rgb) * tint.rgb * part;
    float sunlit = texture(shadow_map, in_shadow_map(place, normal, 0.02));
    float open = 0.6 + 0.4 * smoothstep(0.0, 0.35, place.y);  // the floor is near
    colour = vec4(to_screen(shade(albedo, place, normal, tint.a, sky * open, sunlit)), 0.0);
}
"""
)

BACKDROP_FRAGMENT = (
    FRAME
    + COLOUR
    + FAR
    + """
in vec2 corner;
out vec4 colour;
void main() {
    vec3 direction = vec3(dot(ray_x.xyz, vec3(corner, 1)), dot(ray_y.xyz, vec3(corner, 1)),
                          dot(ray_z.xyz, vec3(corner, 1)));
    colour = vec4(far_away(normalize(direction)), 0.0);
}
"""
)
